// Runs before the page is drawn, so that it is never drawn in the wrong theme first.
try {
  const theme = localStorage.getItem("archestra.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // A browser that keeps nothing follows the system.
}
