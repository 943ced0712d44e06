"use strict";
// The page holds without this. Once a second it exchanges the parts that have changed.
(() => {
  const shown = {};
  const lost = document.getElementById("lost");
  let number = -1;
  let quiet = 0;
  function put(id, html) {
    const place = document.getElementById(id);
    if (!place || shown[id] === html) return;
    const focus = document.activeElement;
    const inside = focus && focus !== place && place.contains(focus);
    const again = inside ? focus.getAttribute("href") || focus.className : null;
    const aside = place.querySelector(".scroll");
    const left = aside ? aside.scrollLeft : 0;
    place.innerHTML = html;
    shown[id] = html;
    const scroll = place.querySelector(".scroll");
    if (scroll && left) scroll.scrollLeft = left;
    if (again) {
      for (const one of place.querySelectorAll("a, .scroll"))
        if ((one.getAttribute("href") || one.className) === again) { one.focus({ preventScroll: true }); break; }
    }
  }
  async function turn() {
    let wait = 1000;
    try {
      const answer = await fetch("/parts.json", { cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      const got = await answer.json();
      quiet = 0;
      lost.hidden = true;
      if (got.number !== number) {
        number = got.number;
        document.title = got.title;
        for (const id of Object.keys(got.parts)) put(id, got.parts[id]);
      }
      if (got.over) wait = 5000;
    } catch {
      quiet += 1;
      if (quiet > 2) lost.hidden = false;
    }
    setTimeout(turn, wait);
  }
  turn();
})();
