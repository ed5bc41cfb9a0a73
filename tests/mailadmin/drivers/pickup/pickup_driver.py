"""A driver in one file: messages go into the pickup folder of a gateway, which delivers them.

The gateway accepts messages from programs that know its token, which it keeps in the file `token` of that folder.
"""

import asyncio
from pathlib import Path
from typing import ClassVar

from django.utils.translation import gettext_lazy as _

from mailadmin.drivers.base import sent_result
from mailadmin.drivers.capabilities import Feature
from mailadmin.drivers.per_message import PerMessageDriver
from mailadmin.drivers.registry import register_driver
from mailadmin.errors import ConnectFailed, DeliveryError, Phase, SignInRefused
from secrets_app.kinds.base import SecretForm
from secrets_app.kinds.fields import SecretTextField, TextField
from secrets_app.kinds.kind_registry import register_kind


@register_kind
class PickupForm(SecretForm):
    key = "pickup"
    label = _("Pickup folder")
    secret_fields = ("token",)
    environment_variables: ClassVar = {"folder": "PICKUP_FOLDER", "token": "PICKUP_TOKEN"}

    folder = TextField(label=_("Folder"), max_length=200)
    token = SecretTextField(label=_("Token"))

    @classmethod
    def summary(cls, stored):
        return stored["folder"], ""


@register_driver
class PickupDriver(PerMessageDriver):
    key = "pickup"
    label = _("Pickup")
    explanation = _("Messages go into the pickup folder of a gateway, which delivers them.")
    kind = "pickup"
    cannot_carry = frozenset({Feature.ATTACHMENTS})

    async def probe(self, connection):
        await asyncio.to_thread(open_folder, connection)

    async def send_one(self, envelope, connection):
        path = await asyncio.to_thread(write, envelope, connection)
        return sent_result(envelope, reply=f"Stored as {path.name}", host=str(path.parent))


def open_folder(connection):
    folder = Path(connection.fields["folder"])
    if not folder.is_dir():
        raise ConnectFailed(f"There is no folder {folder}.", permanent=False, phase=Phase.CONNECT)
    if (folder / "token").read_text() != connection.secrets.get("token", ""):
        raise SignInRefused("The gateway refuses the token.", permanent=True, phase=Phase.AUTH)
    return folder


def write(envelope, connection):
    path = open_folder(connection) / f"{envelope.id}.eml"
    header = [f"X-Sender: {envelope.sender}", *(f"X-Receiver: {address}" for address in envelope.recipients), ""]
    try:
        path.write_bytes("\r\n".join(header).encode() + envelope.content)
    except OSError as error:
        raise DeliveryError(f"Not stored: {error.strerror}", permanent=False, phase=Phase.CONTENT) from error
    return path
