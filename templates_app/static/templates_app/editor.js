// The editor: saves the draft during typing and shows what it renders to. Without JavaScript, "Save draft" and
// "Preview" do the same.
"use strict";

(() => {
  const form = document.getElementById("editor");
  const state = document.getElementById("save-state");
  const notices = document.getElementById("editor-notices");
  const stage = document.getElementById("stage");
  const PAUSE = 150; // ms after the last key
  const RETRY = 4000;
  let typed = 0; // counts changes, to tell whether a response is to the last one
  let kept = 0;
  let timer = 0;
  let busy = null;
  let again = false;
  let blocked = false; // by a conflict, until it is resolved
  let leaving = false;
  let coming = null; // the frame that is loading

  const say = (what, tone = "muted") => {
    state.textContent = state.dataset[what];
    state.dataset.tone = tone;
  };

  // ------------------------------------------------------------ tabs

  const key = `editor ${location.pathname}`;
  const opened = () => JSON.parse(sessionStorage.getItem(key) ?? "[]");
  const open = (link) => {
    const nav = link.closest("[data-tabs]");
    for (const other of nav.querySelectorAll("a")) {
      const panel = document.getElementById(other.hash.slice(1));
      panel?.toggleAttribute("data-open", other === link);
      if (other === link) other.setAttribute("aria-current", "true");
      else other.removeAttribute("aria-current");
    }
    const current = [...document.querySelectorAll("[data-tabs] a[aria-current]")].map((one) => one.hash);
    sessionStorage.setItem(key, JSON.stringify(current));
    sources.resize();
  };
  const tabOf = (id) => [...document.querySelectorAll("[data-tabs] a")].find((one) => one.hash === `#${id}`);
  const reveal = (element) => {
    for (let panel = element; panel; panel = panel.parentElement) {
      const tab = panel.id && tabOf(panel.id);
      if (tab) open(tab);
    }
  };
  for (const hash of opened()) {
    const tab = tabOf(hash.slice(1));
    if (tab) open(tab);
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (!link || event.defaultPrevented) return;
    if (link.closest("[data-tabs]")) {
      event.preventDefault();
      open(link);
    } else if (link.dataset.part) {
      event.preventDefault();
      reveal(document.getElementById(`id_${link.dataset.part}`));
      sources.goTo(link.dataset.part, Number(link.dataset.line));
    } else {
      const target = document.getElementById(link.hash.slice(1));
      if (target?.closest("#editor")) reveal(target);
    }
  });

  // ------------------------------------------------------------ the preview

  const mark = () =>
    sources.mark(
      [...document.querySelectorAll("#problems [data-part]")].map(({ dataset }) => ({
        part: dataset.part,
        line: Number(dataset.line),
        message: dataset.message,
      })),
    );

  // The old frame stays until the new one has loaded.
  const show = (address) => {
    const next = document.createElement("iframe");
    next.setAttribute("sandbox", "");
    next.title = stage.getAttribute("aria-label");
    next.className = "coming";
    next.src = address;
    coming?.remove();
    coming = next;
    next.addEventListener("load", () => {
      if (next !== coming) return;
      coming = null;
      for (const old of stage.querySelectorAll("iframe")) if (old !== next) old.remove();
      next.className = "";
    });
    stage.append(next);
  };

  const take = (answer) => {
    for (const part of answer.querySelectorAll("template[data-into]"))
      document.getElementById(part.dataset.into)?.replaceChildren(part.content);
    for (const part of answer.querySelectorAll("template[data-value]")) {
      const field = document.getElementById(part.dataset.value);
      if (field && field !== document.activeElement) field.value = part.content.textContent;
    }
  };

  // ------------------------------------------------------------ saving

  const refuse = (answer) => {
    take(answer);
    say("refused", "bad");
  };

  const disagree = (answer) => {
    blocked = true;
    notices.replaceChildren(...answer.children);
    notices.querySelector("[role=alert]")?.focus();
    notices.scrollIntoView({ block: "start" });
    say("conflict", "warn");
  };

  const send = async () => {
    const sending = typed;
    if (kept < typed) say("saving");
    let response;
    try {
      response = await fetch(form.dataset.draft, { method: "POST", body: new FormData(form), credentials: "same-origin" });
    } catch {
      timer = setTimeout(save, RETRY);
      return say("failed", "bad");
    }
    if (response.redirected || response.status === 403) return say("signedOut", "bad");
    if (![200, 422].includes(response.status)) {
      if (response.status >= 500) timer = setTimeout(save, RETRY);
      return say(response.status >= 500 ? "failed" : "refused", "bad");
    }
    const answer = new DOMParser().parseFromString(await response.text(), "text/html").body;
    if (answer.querySelector("[data-theirs-revision]")) return disagree(answer);
    if (response.status === 422) return refuse(answer);
    const { revision, renders, frame } = answer.firstElementChild.dataset;
    form.elements.revision.value = revision;
    take(answer);
    mark();
    for (const place of document.querySelectorAll("#stage, .editor-seen-subject, #seen-text-body, #seen-source-body"))
      place.classList.toggle("stale", renders !== "yes");
    if (renders === "yes") show(frame);
    kept = Math.max(kept, sending);
    if (kept === typed && Number(revision)) {
      say("saved", "good");
      document.getElementById("discard").hidden = false;
    }
  };

  const save = async () => {
    clearTimeout(timer);
    if (blocked) return;
    if (busy) {
      again = true;
      await busy;
      return;
    }
    do {
      again = false;
      busy = send();
      await busy;
      busy = null;
    } while (again && !blocked);
  };

  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(save, PAUSE);
  };

  form.addEventListener("input", (event) => {
    if (event.target.closest("[data-unsaved-not]") || event.target.closest(".ace_editor") || event.target.id === "id_phone")
      return;
    const from = document.getElementById("id_values_from");
    if (from && event.target.closest("#sample-form")) from.value = "form";
    if (from && event.target.closest("#sample-json")) from.value = "json";
    if (!event.target.matches("#id_sample, #id_dark")) {
      typed += 1;
      if (!blocked) say("typing");
    }
    for (const other of document.querySelectorAll("[data-same-sample]")) other.value = form.elements.sample.value;
    later();
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-keep-mine]")) {
      event.preventDefault();
      const notice = event.target.closest("[data-theirs-revision]");
      form.elements.revision.value = notice.dataset.theirsRevision;
      notice.remove();
      blocked = false;
      typed += 1;
      save();
    }
    const insert = event.target.closest("[data-insert]");
    if (insert) sources.insert(insert.dataset.insert);
    if (event.target.closest("a[data-leaves]")) leaving = true;
    if (event.target.closest("[data-add-row]")) addRow();
  });

  // Adds a row for a variable, copied from the last row.
  const addRow = () => {
    const total = form.elements["variables-TOTAL_FORMS"];
    const most = Number(form.elements["variables-MAX_NUM_FORMS"].value);
    const rows = document.querySelectorAll("#variables [data-row]");
    if (rows.length >= most) return;
    const row = rows[rows.length - 1].cloneNode(true);
    for (const element of row.querySelectorAll("[name], [id], [for]"))
      for (const attribute of ["name", "id", "for", "aria-describedby"])
        if (element.hasAttribute(attribute))
          element.setAttribute(attribute, element.getAttribute(attribute).replace(/-\d+-/, `-${total.value}-`));
    for (const field of row.querySelectorAll("input[type=text], input:not([type]), textarea")) field.value = "";
    for (const box of row.querySelectorAll("input[type=checkbox]")) box.checked = box.name.endsWith("-required");
    for (const error of row.querySelectorAll(".errorlist")) error.remove();
    total.value = Number(total.value) + 1;
    rows[rows.length - 1].after(row);
    row.querySelector("input").focus();
  };

  // ------------------------------------------------------------ leaving

  form.addEventListener("submit", async (event) => {
    const { submitter } = event;
    if (submitter?.matches("[data-save]")) {
      event.preventDefault();
      save();
      return;
    }
    clearTimeout(timer);
    if (busy) {
      event.preventDefault(); // otherwise the draft that is being saved would look like a conflict
      again = false;
      await busy;
      form.requestSubmit(submitter);
      return;
    }
    leaving = true;
  });
  document.addEventListener("submit", (event) => {
    if (event.target.matches("[data-leaves]")) leaving = true;
  });
  document.querySelector("[data-after-save]")?.addEventListener("submit", async (event) => {
    if (kept === typed && !busy) {
      leaving = true;
      return;
    }
    event.preventDefault();
    await save();
    while (busy) await busy; // typed while an older state was being saved
    if (kept === typed) event.target.requestSubmit();
  });
  window.addEventListener("beforeunload", (event) => {
    if (kept < typed && !leaving) event.preventDefault();
  });
  window.addEventListener("pageshow", () => (leaving = false));

  document.addEventListener(
    "keydown",
    (event) => {
      if (!(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
      if (event.key === "s") {
        event.preventDefault();
        save();
      } else if (event.key === "Enter") {
        event.preventDefault();
        event.stopPropagation();
        form.requestSubmit(document.querySelector("[data-publish]"));
      }
    },
    true,
  );

  mark();
})();
