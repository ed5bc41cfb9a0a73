// Progressive enhancement only: every page works without this file.
"use strict";

// Dismiss a notice.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-dismiss]");
  if (button) button.closest(".notice")?.remove();
});

// Copy a text, and say so in the button for two seconds.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-from]");
  if (!button) return;
  const source = button.dataset.copyFrom && document.querySelector(button.dataset.copyFrom);
  const text = source ? (source.value ?? source.textContent) : button.dataset.copy;
  const label = button.querySelector("span") ?? button;
  const before = label.textContent;
  try {
    await navigator.clipboard.writeText(text);
    label.textContent = button.dataset.copied || "Copied";
  } catch {
    label.textContent = button.dataset.copyFailed || "Copying failed";
  }
  setTimeout(() => (label.textContent = before), 2000);
});

// A form is submitted once: a second click has no effect while the first request is running.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  for (const button of form.querySelectorAll("button:not([type=button])")) button.setAttribute("aria-disabled", "true");
});
// When the browser goes back to the page, the form can be submitted again.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("[aria-disabled]")) button.removeAttribute("aria-disabled");
  }
});

// Show an error, once, if an htmx request fails or gets no response.
for (const trouble of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(trouble, () => {
    const place = document.getElementById("messages");
    const notice = document.getElementById("request-failed");
    if (!place || !notice || place.querySelector(".request-failed")) return;
    place.append(notice.content.cloneNode(true));
    place.lastElementChild.classList.add("request-failed");
  });
}

// Selected rows: buttons show their number; "all on this page" selects every row.
const countTicks = (list) => {
  const boxes = [...list.querySelectorAll("input[name=ids]:not(:disabled)")];
  const ticked = boxes.filter((box) => box.checked).length;
  for (const place of list.querySelectorAll("[data-selected-count]")) {
    place.textContent = ticked || "";
    place.closest("button").disabled = !ticked;
  }
  const all = list.querySelector("[data-select-all]");
  all.closest("[hidden]")?.removeAttribute("hidden");
  all.checked = ticked > 0 && ticked === boxes.length;
  all.indeterminate = ticked > 0 && ticked < boxes.length;
};
const tickLists = () => [...document.querySelectorAll("[data-select-all]")].map((all) => all.closest("form"));
document.addEventListener("change", (event) => {
  const list = event.target.closest("form");
  if (!list?.querySelector("[data-select-all]")) return;
  if (event.target.matches("[data-select-all]"))
    for (const box of list.querySelectorAll("input[name=ids]:not(:disabled)")) box.checked = event.target.checked;
  countTicks(list);
});
// Also when the browser goes back to the page with its selection.
window.addEventListener("pageshow", () => tickLists().forEach(countTicks));
document.addEventListener("htmx:afterSwap", () => tickLists().forEach(countTicks));

// A whole page in response to a request for a part of one: the session has ended, and the person must sign in again.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (!/^\s*<!doctype/i.test(event.detail.serverResponse)) return;
  event.preventDefault();
  location.reload();
});

// Warn before leaving a page with unsaved input.
let unsaved = false;
document.addEventListener("input", (event) => {
  if (event.target.closest("form[data-guard]")) unsaved = true;
});
document.addEventListener("submit", (event) => {
  if (event.target.matches("form[data-guard]")) unsaved = false;
});
window.addEventListener("beforeunload", (event) => {
  if (unsaved) event.preventDefault();
});

// "/" focuses the search box.
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const search = document.querySelector(".search input");
  if (search) {
    event.preventDefault();
    search.focus();
  }
});
