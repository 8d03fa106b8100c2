// Follows Airflow's light and dark, and opens Airflow's own pages outside of the frame. Without it all works,
// in the colors of the system.
"use strict";
(() => {
  const frame = () => {
    try {
      return window.parent !== window && window.parent.document ? window.parent : null;
    } catch {
      return null; // another origin
    }
  };

  const follow = (outer) => {
    const page = outer.document.documentElement;
    const take = () => {
      const dark = page.classList.contains("dark") || page.dataset.theme === "dark";
      document.documentElement.dataset.theme = dark ? "dark" : "light";
    };
    take();
    new MutationObserver(take).observe(page, { attributes: true, attributeFilter: ["class", "data-theme"] });
  };

  // The frame is sandboxed: it may not navigate the window. A link of the outer page may.
  const openOutside = (outer, href) => {
    const link = outer.document.createElement("a");
    link.href = href;
    outer.document.body.append(link);
    link.click();
    link.remove();
  };

  const outer = frame();
  if (outer) follow(outer);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.in-airflow");
    if (!link || !outer || event.ctrlKey || event.metaKey || event.button !== 0) return;
    event.preventDefault();
    openOutside(outer, link.href);
  });

  // The browser's controls would cover the lower half of a small poster: they come with the first play.
  for (const video of document.querySelectorAll(".screen video")) {
    const play = document.createElement("button");
    play.type = "button";
    play.className = "play";
    play.setAttribute("aria-label", `Play ${video.getAttribute("aria-label")}`);
    play.addEventListener("click", () => {
      video.controls = true;
      video.play();
      video.focus();
    });
    video.controls = false;
    video.addEventListener("play", () => play.remove(), { once: true });
    video.parentElement.append(play);
  }

  // One clip at a time.
  document.addEventListener(
    "play",
    (event) => {
      for (const video of document.querySelectorAll("video")) if (video !== event.target) video.pause();
      event.target.closest(".screen")?.classList.add("playing");
    },
    true,
  );

  // While a request waits, its page looks again; a page that is not looked at asks nothing.
  const waiting = document.querySelector("[data-look-again]");
  if (waiting) {
    setInterval(() => {
      if (document.visibilityState === "visible") window.location.reload();
    }, 1000 * Number(waiting.dataset.lookAgain));
  }

  for (const select of document.querySelectorAll(".search select")) {
    select.addEventListener("change", () => select.form.requestSubmit());
  }
})();
