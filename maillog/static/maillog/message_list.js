// The message list: live updates, running ages, suggestions, the keyboard. The page works without this file.
"use strict";

{
  const list = () => document.getElementById("message-list");
  const links = () => [...document.querySelectorAll("#message-list a.row-link")];
  const boxes = () => [...document.querySelectorAll("#message-list input[name=ids]")];
  const live = document.getElementById("live");

  // ------------------------------------------------------------ live updates

  const MIN_INTERVAL = 4_000; // milliseconds between two polls
  const IDLE_INTERVAL = 12_000; // ... when nothing has changed for a while
  const MAX_ERROR_INTERVAL = 60_000; // ... at most, when requests fail
  const KEY = "log-live";
  let interval = MIN_INTERVAL;
  let timer = 0;
  let requestedFor = null; // the list on the page when the running poll was sent

  const isOn = () => live.getAttribute("aria-pressed") === "true";
  const showState = (state) => {
    live.dataset.state = state;
    live.querySelector("span").textContent = live.dataset[state];
  };
  const poll = () => {
    clearTimeout(timer);
    if (document.hidden || !isOn() || !list()) return;
    timer = setTimeout(poll, interval);
    if (!requestedFor && list().dataset.since) htmx.trigger(live, "poll");
  };
  // Nobody is interacting with the list, so replacing it moves nothing that a person reads or points at.
  const isCalm = () =>
    list().dataset.newest === "1" &&
    !list().matches(":hover, :focus-within") &&
    !boxes().some((box) => box.checked) &&
    (document.querySelector("#message-list table")?.getBoundingClientRect().top ?? 0) >= 0;

  document.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.elt !== live) return;
    const shown = list();
    requestedFor = shown;
    Object.assign(event.detail.parameters, {
      text: shown.dataset.text,
      since: shown.dataset.since,
      seen: shown.dataset.seen,
      columns: shown.dataset.columns,
      chosen: shown.dataset.chosen ?? "",
      calm: isCalm() ? "1" : "",
      rows: [...shown.querySelectorAll("tr[data-state]")].map((row) => `${row.id.replace("message-", "")}.${row.dataset.state}`).join(),
    });
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.requestConfig.elt !== live || !event.detail.shouldSwap) return;
    const whole = event.detail.target.id === "message-list";
    // The list was replaced, or a person has begun to use it: ignore this response and wait for the next poll.
    if (requestedFor !== list() || (whole && !isCalm())) event.detail.shouldSwap = false;
    else if (!whole) requestedFor.dataset.seen = event.detail.xhr.getResponseHeader("X-Log-Seen") ?? requestedFor.dataset.seen;
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.elt !== live) return;
    const status = event.detail.xhr.status;
    requestedFor = null;
    if (status === 204) interval = Math.min(interval * 1.2, IDLE_INTERVAL);
    else if (event.detail.successful) interval = MIN_INTERVAL;
    else interval = Math.min(interval * 2, MAX_ERROR_INTERVAL);
    if (isOn()) showState(event.detail.successful ? "connected" : "broken");
  });
  // A failed poll does not make the page out of date: the switch shows it, and polling goes on.
  for (const failure of ["htmx:responseError", "htmx:sendError", "htmx:timeout"])
    document.body.addEventListener(failure, (event) => {
      if (event.detail.elt === live) event.stopPropagation();
    });

  if (live) {
    live.hidden = false;
    live.addEventListener("click", () => {
      const on = !isOn();
      live.setAttribute("aria-pressed", on);
      localStorage.setItem(KEY, on ? "on" : "off");
      showState(on ? "connected" : "paused");
      interval = MIN_INTERVAL;
      poll();
    });
    if (localStorage.getItem(KEY) === "off") {
      live.setAttribute("aria-pressed", "false");
      showState("paused");
    } else showState("connected");
    document.addEventListener("visibilitychange", () => {
      interval = MIN_INTERVAL;
      poll();
    });
    timer = setTimeout(poll, MIN_INTERVAL);
  }

  // ------------------------------------------------------------ selection survives swaps

  let selected = [];
  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    const old = event.detail.target;
    if (!old.matches?.("#message-list tr")) return;
    const box = event.detail.fragment.querySelector("input[name=ids]");
    if (box) box.checked = old.querySelector("input[name=ids]")?.checked ?? false;
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const keeps = event.detail.requestConfig.elt.matches("[data-keep-selection]");
    selected = keeps ? boxes().filter((box) => box.checked).map((box) => box.value) : [];
  });
  document.addEventListener("htmx:afterSwap", () => {
    if (!selected.length) return;
    for (const box of boxes()) box.checked ||= selected.includes(box.value);
    selected = [];
    boxes()[0]?.dispatchEvent(new Event("change", { bubbles: true })); // updates the counts on the buttons
  });

  // ------------------------------------------------------------ running ages

  const updateTimes = () => {
    const units = JSON.parse(document.getElementById("units")?.textContent ?? "[]");
    for (const time of document.querySelectorAll("#message-list .when > time")) {
      const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(time.dateTime)) / 1000));
      if (seconds >= 7 * 86_400) continue;
      const [size, text] = units.find(([from]) => seconds >= from) ?? [];
      const age = size ? text.replace("#", Math.floor(seconds / size)) : text;
      if (age && time.textContent !== age) time.textContent = age;
    }
  };
  setInterval(() => document.hidden || updateTimes(), 20_000);

  // ------------------------------------------------------------ suggestions, at the caret

  const box = () => document.getElementById("id_q");
  const suggestionList = document.getElementById("q-suggestions");
  const options = () => [...(suggestionList?.children ?? [])];
  const active = () => suggestionList?.querySelector("[aria-selected=true]");
  const highlight = (option) => {
    active()?.removeAttribute("aria-selected");
    option?.setAttribute("aria-selected", "true");
    option?.scrollIntoView({ block: "nearest" });
    if (option) box().setAttribute("aria-activedescendant", option.id);
    else box().removeAttribute("aria-activedescendant");
  };
  const setSuggestionsOpen = (isOpen) => {
    if (!suggestionList) return;
    suggestionList.hidden = !isOpen;
    box().setAttribute("aria-expanded", isOpen);
    if (!isOpen) highlight(null);
  };
  const accept = (option) => {
    const { text, caret } = option.dataset;
    box().value = text;
    box().setSelectionRange(caret, caret);
    setSuggestionsOpen(false);
    box().dispatchEvent(new Event("input", { bubbles: true }));
  };
  document.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.elt === box()) event.detail.parameters.at = box().selectionStart;
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target !== suggestionList) return;
    // An empty box suggests everything, but only on request (arrow down).
    const mayOpen = box().value.trim() || event.detail.requestConfig.triggeringEvent?.type === "suggest";
    setSuggestionsOpen(Boolean(mayOpen) && document.activeElement === box() && options().length > 0);
  });
  document.addEventListener("focusout", (event) => event.target === box() && setSuggestionsOpen(false));
  // Not "click", which comes after the box has lost the focus.
  suggestionList?.addEventListener("mousedown", (event) => {
    event.preventDefault();
    const option = event.target.closest("[role=option]");
    if (option) accept(option);
  });
  document.addEventListener("keydown", (event) => {
    if (event.target !== box() || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const all = options();
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (suggestionList.hidden) {
      if (event.key === "ArrowDown") htmx.trigger(box(), "suggest");
      return;
    }
    if (step) {
      const at = all.indexOf(active()) + step;
      highlight(at < -1 ? all.at(-1) : all[at]);
    } else if (event.key === "Enter" && active()) accept(active());
    else if (event.key === "Escape") setSuggestionsOpen(false);
    else {
      if (event.key === "Enter") setSuggestionsOpen(false);
      return;
    }
    event.preventDefault();
  });

  // ------------------------------------------------------------ keyboard

  let last = ""; // the id of the row that had the focus last
  document.addEventListener("focusin", (event) => {
    const row = event.target.closest?.("#message-list tr[id]");
    if (row) last = row.id;
  });
  const goTo = (link) => {
    link?.focus();
    link?.closest("tr").scrollIntoView({ block: "nearest" });
  };
  const lastLink = () => document.getElementById(last)?.querySelector("a.row-link") ?? links()[0];
  const moves = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 };

  document.addEventListener("keydown", (event) => {
    if (document.querySelector(":popover-open")) return;
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const row = event.target.closest("#message-list tr");
    const typing = !row && event.target.closest("input, textarea, select, button, summary, [contenteditable]");
    if (event.key === "Escape") {
      if (!event.target.closest("main") || event.target.matches("a.row-link") || !links().length) return;
      event.preventDefault();
      goTo(lastLink());
    } else if (typing) return;
    else if (event.key in moves) {
      const all = links();
      if (!all.length) return;
      const at = row ? all.indexOf(row.querySelector("a.row-link")) + moves[event.key] : -1;
      event.preventDefault();
      goTo(row ? all[Math.max(0, Math.min(at, all.length - 1))] : lastLink());
    } else if (row && (event.key === "x" || (event.key === " " && event.target.matches("a")))) {
      const box = row.querySelector("input[name=ids]");
      if (!box) return;
      event.preventDefault();
      box.click();
    }
  });
}
