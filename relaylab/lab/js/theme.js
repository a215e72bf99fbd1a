/**
 * Which theme holds, and the colours the canvas and the figures take from it.
 */

/** @typedef {Record<"ink"|"muted"|"line"|"panel"|"page"|"empty"|"writing"|"ready"|"reading"|"lost"|"overwritten"|"lostText"|"hatch", string>} Palette */

/** In JupyterLab the lab's theme wins; in Voila `?theme=`; elsewhere what the system prefers. */
export function currentTheme() {
  const body = document.body.dataset;
  if (!body.voila && body.jpThemeLight !== undefined) return body.jpThemeLight === "false" ? "dark" : "light";
  const asked = new URLSearchParams(location.search).get("theme");
  if (asked === "dark" || asked === "light") return asked;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

/**
 * Calls back now and whenever the theme changes.
 * @param {(theme: string) => void} changed
 * @param {AbortSignal} signal
 */
export function watchTheme(changed, signal) {
  const check = () => changed(currentTheme());
  const observer = new MutationObserver(check);
  observer.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", check, { signal });
  signal.addEventListener("abort", () => observer.disconnect());
  check();
}

/** @param {HTMLElement} root @returns {Palette} */
export function paletteOf(root) {
  const style = getComputedStyle(root);
  const colour = (/** @type {string} */ name) => style.getPropertyValue(`--rl-${name}`).trim();
  const names = ["ink", "muted", "line", "panel", "page", "empty", "writing", "ready", "reading", "lost", "overwritten", "hatch"];
  const named = Object.fromEntries(names.map((name) => [name, colour(name)]));
  return /** @type {Palette} */ ({ ...named, lostText: colour("lost-text") });
}
