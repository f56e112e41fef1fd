/** Measures the accuracy of the shared models: `npm run accuracy [-- options]`, see HELP. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { DIST } from "./accuracy/commands.mjs";
import { judge } from "./accuracy/judge.mjs";
import { measureModel } from "./accuracy/measure.mjs";
import { ASSETS, isPresent, MODELS, publishedFigures, ROOT } from "./accuracy/models.mjs";
import { markdown } from "./accuracy/report.mjs";

const HELP = `npm run accuracy [-- options]

  --models A,B     only these
  --update         with --models: replace their rows in bench/ACCURACY.md and bench/accuracy.json; without it nothing is written then
  --json           the results as one JSON object on stdout
  --dist DIR       a built eqm (default dist/)
  --render         measure nothing: write bench/ACCURACY.md again, from bench/accuracy.json and bench/accuracy/reasons.json

Without --models all are measured and both files written. Exit code 1 where a model could not be measured, or misses what it shall reach
for no reason that bench/accuracy/reasons.json gives; 2 for wrong usage, a missing build or missing models.`;

const FILES = { json: join(ROOT, "bench/accuracy.json"), markdown: join(ROOT, "bench/ACCURACY.md") };

process.exitCode = await main(process.argv.slice(2));

async function main(args) {
  let options;
  try {
    options = readOptions(args);
  } catch (error) {
    console.error(`${error.message}\n\n${HELP}`);
    return 2;
  }
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  const reasons = JSON.parse(readFileSync(join(ROOT, "bench/accuracy/reasons.json"), "utf8"));
  if (options.render) {
    writeFileSync(FILES.markdown, markdown(JSON.parse(readFileSync(FILES.json, "utf8")), reasons));
    return 0;
  }
  const published = publishedFigures();
  const measured = [];
  for (const model of options.models) measured.push(await row(model, options.dist, published[model.name]));

  const earlier = options.isPartial && options.update && existsSync(FILES.json) ? JSON.parse(readFileSync(FILES.json, "utf8")).rows : [];
  const rows = MODELS.flatMap(
    ({ name }) => [measured, earlier].map((list) => list.find((entry) => entry.name === name)).find(Boolean) ?? [],
  );
  const results = { command: "npm run accuracy", node: process.versions.node, rows };
  const json = JSON.stringify(results, null, 1);
  const text = markdown(JSON.parse(json), reasons);
  if (!options.isPartial || options.update) {
    writeFileSync(FILES.json, `${json}\n`);
    writeFileSync(FILES.markdown, text);
  }
  console.log(options.json ? JSON.stringify(results) : text);
  const unexplained = measured.filter(
    ({ name, error, verdicts = [] }) =>
      error !== undefined || verdicts.some(({ claim, met }) => !met && reasons[name]?.[claim] === undefined),
  );
  return unexplained.length > 0 ? 1 : 0;
}

async function row(model, dist, published) {
  const { name, bar, mostLoss, lessIsBetter, extra, taskKey } = model;
  const context = {
    ...(extra && { extra }),
    ...(bar !== undefined && { bar }),
    ...(mostLoss !== undefined && { mostLoss, lessIsBetter }),
  };
  const start = performance.now();
  try {
    const figures = await measureModel(model, dist, (text) => console.error(`${name}: ${text}`));
    const figure = model.labels === undefined ? published[taskKey] : published.top1;
    const verdicts = judge(model, figures, published);
    console.error(`${name}: ${((performance.now() - start) / 1000).toFixed(0)} s`);
    return { ...figures, ...context, ...(figure !== undefined && { published: figure }), verdicts };
  } catch (error) {
    console.error(`${name}: ${error.stack}`);
    return { name, ...context, error: error.message };
  }
}

function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      models: { type: "string" },
      update: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      dist: { type: "string", default: DIST },
      render: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help || values.render) return values;
  if (!isPresent) throw new Error(`the shared models are not at ${ASSETS} (EQM_ASSETS)`);
  const dist = resolve(values.dist);
  if (!existsSync(join(dist, "cli.js"))) throw new Error("cli.js is not built: npm run build");
  const models = values.models?.split(",").map((name) => {
    const model = MODELS.find((entry) => entry.name === name);
    if (model === undefined) throw new Error(`${name} is none of ${MODELS.map((entry) => entry.name).join(", ")}`);
    return model;
  });
  return { ...values, dist, models: models ?? MODELS, isPartial: models !== undefined };
}
