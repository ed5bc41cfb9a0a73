// The list of mails: live updates, times that go on, the keyboard. The page works without this file.
"use strict";

{
  const list = () => document.getElementById("message-list");
  const links = () => [...document.querySelectorAll("#message-list a.row-link")];
  const boxes = () => [...document.querySelectorAll("#message-list input[name=ids]")];
  const live = document.getElementById("live");

  // ------------------------------------------------------------ live updates

  const SOONEST = 4_000; // milliseconds between two questions
  const QUIET = 12_000; // ... when nothing has happened for a while
  const BROKEN = 60_000; // ... at most, when no answer comes
  const KEY = "log-live";
  let pause = SOONEST;
  let timer = 0;
  let asking = null; // the list that was there when the question was asked

  const isOn = () => live.getAttribute("aria-pressed") === "true";
  const say = (state) => {
    live.dataset.state = state;
    live.querySelector("span").textContent = live.dataset[state];
  };
  const ask = () => {
    clearTimeout(timer);
    if (document.hidden || !isOn() || !list()) return;
    timer = setTimeout(ask, pause);
    if (!asking && list().dataset.since) htmx.trigger(live, "poll");
  };
  // Nobody is busy in the list, so it may be put anew without moving what somebody reads or aims at.
  const isCalm = () =>
    list().dataset.newest === "1" &&
    !list().matches(":hover, :focus-within") &&
    !boxes().some((box) => box.checked) &&
    (document.querySelector("#message-list table")?.getBoundingClientRect().top ?? 0) >= 0;

  document.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.elt !== live) return;
    const shown = list();
    asking = shown;
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
    // Another list is there by now, or somebody has begun to do something in it: the next question gets another answer.
    if (asking !== list() || (whole && !isCalm())) event.detail.shouldSwap = false;
    else if (!whole) asking.dataset.seen = event.detail.xhr.getResponseHeader("X-Log-Seen") ?? asking.dataset.seen;
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.elt !== live) return;
    const status = event.detail.xhr.status;
    asking = null;
    if (status === 204) pause = Math.min(pause * 1.2, QUIET);
    else if (event.detail.successful) pause = SOONEST;
    else pause = Math.min(pause * 2, BROKEN);
    if (isOn()) say(event.detail.successful ? "connected" : "broken");
  });
  // One answer that does not come is no reason to call the whole page out of date; the switch says it, and asks again.
  for (const trouble of ["htmx:responseError", "htmx:sendError", "htmx:timeout"])
    document.body.addEventListener(trouble, (event) => {
      if (event.detail.elt === live) event.stopPropagation();
    });

  if (live) {
    live.hidden = false;
    live.addEventListener("click", () => {
      const on = !isOn();
      live.setAttribute("aria-pressed", on);
      localStorage.setItem(KEY, on ? "on" : "off");
      say(on ? "connected" : "paused");
      pause = SOONEST;
      ask();
    });
    if (localStorage.getItem(KEY) === "off") {
      live.setAttribute("aria-pressed", "false");
      say("paused");
    } else say("connected");
    document.addEventListener("visibilitychange", () => {
      pause = SOONEST;
      ask();
    });
    timer = setTimeout(ask, SOONEST);
  }

  // ------------------------------------------------------------ ticks stay

  let ticked = [];
  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    const old = event.detail.target;
    if (!old.matches?.("#message-list tr")) return;
    const box = event.detail.fragment.querySelector("input[name=ids]");
    if (box) box.checked = old.querySelector("input[name=ids]")?.checked ?? false;
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const keeps = event.detail.requestConfig.elt.matches("[data-keep-selection]");
    ticked = keeps ? boxes().filter((box) => box.checked).map((box) => box.value) : [];
  });
  document.addEventListener("htmx:afterSwap", () => {
    if (!ticked.length) return;
    for (const box of boxes()) box.checked ||= ticked.includes(box.value);
    ticked = [];
    boxes()[0]?.dispatchEvent(new Event("change", { bubbles: true })); // the buttons say how many there are
  });

  // ------------------------------------------------------------ times go on

  const tell = () => {
    const units = JSON.parse(document.getElementById("units")?.textContent ?? "[]");
    for (const time of document.querySelectorAll("#message-list .when > time")) {
      const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(time.dateTime)) / 1000));
      if (seconds >= 7 * 86_400) continue;
      const [size, text] = units.find(([from]) => seconds >= from) ?? [];
      const said = size ? text.replace("#", Math.floor(seconds / size)) : text;
      if (said && time.textContent !== said) time.textContent = said;
    }
  };
  setInterval(() => document.hidden || tell(), 20_000);

  // ------------------------------------------------------------ suggestions, at the caret

  const box = () => document.getElementById("id_q");
  const offers = document.getElementById("q-suggestions");
  const options = () => [...(offers?.children ?? [])];
  const active = () => offers?.querySelector("[aria-selected=true]");
  const pick = (option) => {
    active()?.removeAttribute("aria-selected");
    option?.setAttribute("aria-selected", "true");
    option?.scrollIntoView({ block: "nearest" });
    if (option) box().setAttribute("aria-activedescendant", option.id);
    else box().removeAttribute("aria-activedescendant");
  };
  const open = (whether) => {
    if (!offers) return;
    offers.hidden = !whether;
    box().setAttribute("aria-expanded", whether);
    if (!whether) pick(null);
  };
  const take = (option) => {
    const { text, caret } = option.dataset;
    box().value = text;
    box().setSelectionRange(caret, caret);
    open(false);
    box().dispatchEvent(new Event("input", { bubbles: true }));
  };
  document.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.elt === box()) event.detail.parameters.at = box().selectionStart;
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target !== offers) return;
    // An empty box offers everything there is, but only when asked.
    const asked = box().value.trim() || event.detail.requestConfig.triggeringEvent?.type === "suggest";
    open(Boolean(asked) && document.activeElement === box() && options().length > 0);
  });
  document.addEventListener("focusout", (event) => event.target === box() && open(false));
  // Not "click": the box would have lost the focus by then.
  offers?.addEventListener("mousedown", (event) => {
    event.preventDefault();
    const option = event.target.closest("[role=option]");
    if (option) take(option);
  });
  document.addEventListener("keydown", (event) => {
    if (event.target !== box() || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const all = options();
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (offers.hidden) {
      if (event.key === "ArrowDown") htmx.trigger(box(), "suggest");
      return;
    }
    if (step) {
      const at = all.indexOf(active()) + step;
      pick(at < -1 ? all.at(-1) : all[at]);
    } else if (event.key === "Enter" && active()) take(active());
    else if (event.key === "Escape") open(false);
    else {
      if (event.key === "Enter") open(false);
      return;
    }
    event.preventDefault();
  });

  // ------------------------------------------------------------ keyboard

  let last = ""; // the row that was looked at
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
