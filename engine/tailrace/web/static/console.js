"use strict";
// The console works without this file. It adds two things: a run is followed as it goes on, and pages that say so are
// loaded anew while nobody is using them.

function follow(box) {
  const source = new EventSource(box.dataset.events);
  const bar = box.querySelector("progress");
  const say = (name, text) => {
    for (const place of document.querySelectorAll(`[data-live="${name}"]`)) {
      if (place.textContent !== text) place.textContent = text;
    }
  };
  source.onmessage = (event) => {
    const at = JSON.parse(event.data);
    if (at.phase === "ended") {
      source.close();
      window.location.reload();
      return;
    }
    if (at.total) {
      bar.max = at.total;
      bar.value = at.done;
    } else {
      bar.removeAttribute("value");
    }
    for (const name of ["done", "total", "acknowledged", "rejected", "unknown", "skipped", "batches", "in_flight"]) {
      say(name, at[name].toLocaleString("en"));
    }
    say("phase", at.phase);
    say("took", at.took);
    say("waits", at.waits_until ? `waits for the rate limit until ${at.waits_until}` : "");
  };
  source.onerror = () => say("waits", "the connection to the console is lost; it is tried again");
}

async function renew(main) {
  const busy = main.contains(document.activeElement) || document.hidden || String(window.getSelection()) !== "";
  if (!busy) {
    const answer = await fetch(window.location.href, { headers: { accept: "text/html" } }).catch(() => null);
    if (answer && answer.ok && !answer.redirected) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("main");
      if (fresh) {
        main.replaceChildren(...fresh.childNodes);
        // What was waited for may have come: then the page says so no more.
        if (fresh.dataset.renew) main.dataset.renew = fresh.dataset.renew;
        else delete main.dataset.renew;
      }
    }
  }
}

document.querySelectorAll("[data-events]").forEach(follow);
function watch(main) {
  setTimeout(async () => {
    await renew(main);
    if (main.dataset.renew) watch(main);
  }, Number(main.dataset.renew) * 1000);
}

const main = document.querySelector("main[data-renew]");
if (main) watch(main);

// On a narrow screen the menu scrolls sideways: the entry of this page is brought into sight.
const entry = document.querySelector("header nav [aria-current]");
const menu = entry && entry.closest("nav");
if (menu) menu.scrollLeft = entry.offsetLeft - (menu.clientWidth - entry.offsetWidth) / 2;
