"""Names as small numbers."""

import pytest
from django.core.management import call_command
from django.db import transaction

from maillog import labels
from maillog.labels import label_id
from maillog.models import Label

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture(autouse=True)
def nothing_known():
    labels.clear_cache()
    yield
    labels.clear_cache()


def test_a_name_has_one_number_for_each_kind():
    assert label_id("driver", "smtp") == label_id("driver", "smtp") != label_id("connection", "smtp")
    assert Label.objects.count() == 2


def test_a_name_that_is_too_long_is_cut():
    assert label_id("template", "t" * 300) == label_id("template", "t" * 400)
    assert len(Label.objects.get().text) == 254


@pytest.mark.django_db(transaction=True)
def test_a_known_name_costs_no_query(django_assert_num_queries):
    label_id("driver", "smtp")
    with django_assert_num_queries(0):
        label_id("driver", "smtp")


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_name_is_not_remembered():
    with transaction.atomic():
        label_id("driver", "ghost")
        transaction.set_rollback(True)
    assert Label.objects.filter(pk=label_id("driver", "ghost")).exists()


@pytest.mark.django_db(transaction=True)
def test_emptied_tables_are_noticed():
    label_id("driver", "smtp")
    call_command("flush", interactive=False, verbosity=0)
    assert Label.objects.filter(pk=label_id("driver", "smtp")).exists()
