/**
 * Runs inside the page that chromium.ts serves: imports the module of the task with its arguments in `globalThis.scriptArguments`, and
 * posts what it printed with console.log, or how it failed.
 */
const lines = [];
const print = console.log;
console.log = (...values) => {
  lines.push(values.join(" "));
  print(...values);
};

let error;
try {
  const { script, args } = await (await fetch("/task")).json();
  globalThis.scriptArguments = args.map(({ file, text }) => (file === undefined ? text : new URL(file, location.href).href));
  await import(script);
} catch (thrown) {
  error = String(thrown?.stack ?? thrown);
}
await fetch("/outcome", { method: "POST", body: JSON.stringify({ lines, error }) });
