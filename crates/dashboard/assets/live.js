// Keeps a page fresh: the server sends the part of it that is marked as live, as it is drawn anew.
// Without this script all pages work, as they were when they were loaded.
"use strict";

const live = document.getElementById("live");
const state = document.getElementById("live-state");
const pause = document.getElementById("live-pause");

// What somebody chose within the live part stays chosen.
const keep = (root) => {
  const ticked = [...root.querySelectorAll("input[type=checkbox]:checked")]
    .map((box) => box.name + "\n" + box.value);
  const open = [...root.querySelectorAll("details[open][id]")].map((one) => one.id);
  const scrolled = [...root.querySelectorAll("[data-scroll]")].map((one) => one.scrollLeft);
  return { ticked: new Set(ticked), open: new Set(open), scrolled, focus: document.activeElement?.id };
};

const restore = (root, kept) => {
  for (const box of root.querySelectorAll("input[type=checkbox]")) {
    if (kept.ticked.has(box.name + "\n" + box.value)) box.checked = true;
  }
  for (const one of root.querySelectorAll("details[id]")) {
    if (kept.open.has(one.id)) one.open = true;
  }
  root.querySelectorAll("[data-scroll]").forEach((one, at) => { one.scrollLeft = kept.scrolled[at] ?? 0; });
  if (kept.focus && document.activeElement === document.body) {
    document.getElementById(kept.focus)?.focus({ preventScroll: true });
  }
};

const tell = (kind, text) => {
  if (!state) return;
  state.className = "state " + kind;
  state.textContent = text;
};

let source = null;
// A click on what is replaced between press and release would be lost.
let isPressing = false;
document.addEventListener("pointerdown", (event) => { isPressing = event.button === 0; });
for (const end of ["pointerup", "pointercancel", "dragend", "contextmenu"]) {
  // The click comes right after.
  document.addEventListener(end, () => setTimeout(() => { isPressing = false; }, 50));
}
document.addEventListener("pointermove", (event) => { if (event.buttons === 0) isPressing = false; });
addEventListener("blur", () => { isPressing = false; });

const isBusy = () => {
  const selection = document.getSelection();
  const isSelecting = selection && !selection.isCollapsed && live.contains(selection.anchorNode);
  const at = document.activeElement;
  const isTyping = at && live.contains(at) && at.matches("input:not([type=checkbox]), textarea, select");
  return isPressing || isSelecting || isTyping;
};

// The server sends what changed once: what comes while somebody is busy is shown afterwards.
let missed = null;
const show = () => {
  if (missed === null || isBusy()) return;
  const kept = keep(live);
  live.innerHTML = missed;
  missed = null;
  restore(live, kept);
};

const listen = () => {
  source = new EventSource(location.href);
  source.addEventListener("open", () => tell("ok", "live"));
  source.addEventListener("content", (event) => {
    tell("ok", "live");
    missed = event.data;
    show();
  });
  source.addEventListener("failure", (event) => tell("bad", event.data));
  source.addEventListener("error", () => tell("bad", "the dashboard does not answer; trying again"));
};

const stop = () => {
  source?.close();
  source = null;
  missed = null;
};

if (live && live.dataset.live === "on") {
  const set = (isOn) => {
    stop();
    pause.textContent = isOn ? "Pause" : "Go on";
    pause.setAttribute("aria-pressed", String(!isOn));
    if (isOn) listen(); else tell("", "paused");
  };
  pause.hidden = false;
  setInterval(show, 500);
  pause.addEventListener("click", () => set(source === null));
  // Nobody looks at a page that is hidden.
  document.addEventListener("visibilitychange", () => {
    if (pause.getAttribute("aria-pressed") === "true") return;
    if (document.hidden) stop(); else if (source === null) listen();
  });
  set(true);
}

// Ticks all boxes of a table.
document.addEventListener("change", (event) => {
  const all = event.target.closest("input[data-ticks]");
  if (!all) return;
  for (const box of document.querySelectorAll(`input[name="${all.dataset.ticks}"]`)) box.checked = all.checked;
});

// What an address leads to is to be seen.
const openTarget = () => {
  const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  if (target && target.matches("details")) target.open = true;
};
addEventListener("hashchange", openTarget);
openTarget();

// Asks before what cannot be undone.
document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.ask;
  if (question && !confirm(question)) event.preventDefault();
});
