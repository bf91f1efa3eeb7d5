import type { FieldError } from "./status.ts";

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const LABEL_1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;

const WORDS = {
  label:
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
  label1035:
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
  subdomain:
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
} as const;

function mistake(field: string, value: string, why: string): FieldError {
  return { field, reason: "FieldValueInvalid", message: `Invalid value: ${JSON.stringify(value)}: ${why}` };
}

/** Checks a name as its kind wants it. */
export function nameErrors(
  name: string,
  rule: "subdomain" | "label" | "label1035" | "path",
  field = "metadata.name",
): FieldError[] {
  if (rule === "path") {
    return name === "." || name === ".." || /[/%]/.test(name)
      ? [mistake(field, name, "may not be '.' or '..' and may not contain '/' or '%'")]
      : [];
  }
  const errors: FieldError[] = [];
  const limit = rule === "subdomain" ? 253 : 63;
  if (name.length > limit) {
    errors.push(mistake(field, name, `must be no more than ${limit} ${rule === "subdomain" ? "bytes" : "bytes"}`));
  }
  const pattern = rule === "subdomain" ? SUBDOMAIN : rule === "label" ? LABEL : LABEL_1035;
  if (!pattern.test(name)) {
    errors.push(mistake(field, name, WORDS[rule]));
  }
  return errors;
}

/** Checks labels: keys and values. */
export function labelErrors(
  labels: Readonly<Record<string, string>> | undefined,
  field = "metadata.labels",
): FieldError[] {
  const errors: FieldError[] = [];
  for (const [key, value] of Object.entries(labels ?? {})) {
    errors.push(...keyErrors(key, field));
    if (value.length > 63) {
      errors.push(mistake(field, value, "must be no more than 63 bytes"));
    }
    if (!LABEL_VALUE.test(value)) {
      errors.push(
        mistake(
          field,
          value,
          "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        ),
      );
    }
  }
  return errors;
}

/** Checks a qualified name: the key of a label or annotation. */
export function keyErrors(key: string, field: string): FieldError[] {
  const slash = key.lastIndexOf("/");
  const prefix = slash < 0 ? undefined : key.slice(0, slash);
  const name = key.slice(slash + 1);
  const errors: FieldError[] = [];
  if (prefix !== undefined && !SUBDOMAIN.test(prefix)) {
    errors.push(mistake(field, key, `prefix part ${WORDS.subdomain}`));
  }
  if (!/^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/.test(name)) {
    errors.push(
      mistake(
        field,
        key,
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
      ),
    );
  }
  return errors;
}
