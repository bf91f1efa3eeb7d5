import { ConfigState } from "../../config/config-state.ts";
import {
  METRIC_GROUPS,
  type MetricDefinition,
  type MetricGroup,
  PROCESS_METRICS,
} from "../../core/controller/metric-names.ts";

/** Every metric that the program shows, by its parts. */
export function metricGroups(): readonly MetricGroup[] {
  return [
    ...METRIC_GROUPS,
    { about: "Configuration (`fairlead run --config`)", metrics: new ConfigState().metrics },
    PROCESS_METRICS,
  ];
}

/** docs/reference/metrics.md. */
export function metricsPage(generated: string): string {
  const sections = metricGroups().map(({ about, metrics }) =>
    [`## ${about}`, "", "| name | type | labels | unit | what |", "|---|---|---|---|---|", ...metrics.map(row)].join(
      "\n",
    ),
  );
  return `# Metrics

${generated}

Served as \`/metrics\` by the status server (\`status\` in the configuration, or of \`createController\`), put into a registry of
yours with \`metrics: { registry }\`, or given as text by \`controller.metrics()\`. All is read when somebody asks; nothing is
counted for it before. Counters of a kind go on when the store is renewed; those of the connection begin anew with the ingest
thread. Metrics of a plugin are called \`fairlead_<plugin>_<name>\`, with "_" for "-"; its own page lists them. Controllers that
share a registry have a name each (\`metrics: { name }\`), which is the label \`controller\` of all their metrics.

${sections.join("\n\n")}

The metrics of the process are only in a registry of the controller's own: yours has its own.
`;
}

function row({ name, type, labels, unit, help }: MetricDefinition): string {
  const shown = labels.map((label) => `\`${label}\``).join(", ");
  return `| \`${name}\` | ${type} | ${shown} | ${unit} | ${help} |`;
}
