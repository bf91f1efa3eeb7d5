import { FairleadError } from "../core/errors.ts";
import type { CommandContext, CommandSpec, OptionSpec, ParsedOptions } from "./command.ts";

/** Shells that completion is written for. */
export const SHELLS: readonly string[] = ["bash", "zsh", "fish"];

const HELP: OptionSpec = { about: "this text" };

/** `fairlead completion SHELL`: prints a script made from the table of commands. */
export async function completion(parsed: ParsedOptions, context: CommandContext): Promise<number> {
  context.out.write(completionScript(parsed.arguments[0], context.commands));
  return 0;
}

/** The completion script for a shell. Throws CLI_BAD_ARGUMENT for a shell that is not in `SHELLS`. */
export function completionScript(shell: string, commands: readonly CommandSpec[]): string {
  switch (shell) {
    case "bash":
      return bashScript(commands);
    case "zsh":
      return zshScript(commands);
    case "fish":
      return fishScript(commands);
    default:
      throw new FairleadError(
        "CLI_BAD_ARGUMENT",
        `no completion for "${shell}"; there is one for ${SHELLS.join(", ")}`,
      );
  }
}

function optionsOf(command: CommandSpec): [string, OptionSpec][] {
  return Object.entries({ ...command.options, help: HELP });
}

function bashScript(commands: readonly CommandSpec[]): string {
  const values = commands.flatMap((command) =>
    optionsOf(command).flatMap(([name, { value, oneOf, complete }]) => {
      if (value === undefined) {
        return [];
      }
      const answer = complete === "file" ? "files=1" : `words="${(oneOf ?? []).join(" ")}"`;
      return [`    ${command.name}:--${name}) ${answer} ;;`];
    }),
  );
  const rest = commands.map((command) => {
    const options = optionsOf(command).map(([name]) => `--${name}`);
    return `    ${command.name}) options="${options.join(" ")}" first="${(command.words ?? []).join(" ")}" ;;`;
  });
  return `# Completion of fairlead for bash: source <(fairlead completion bash)
_fairlead() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" words="" options="" first="" files="" known=1
  # "--output=js" comes as three words
  if [[ "$current" == "=" ]]; then
    current=""
  elif [[ "$before" == "=" ]]; then
    before="\${COMP_WORDS[COMP_CWORD-2]}"
  fi
  COMPREPLY=()
  if (( COMP_CWORD == 1 )); then
    words="${commands.map((command) => command.name).join(" ")} --help --version"
    COMPREPLY=( $(compgen -W "$words" -- "$current") )
    return
  fi
  case "\${COMP_WORDS[1]}:$before" in
${values.join("\n")}
    *) known="" ;;
  esac
  if [[ -z "$known" ]]; then
    case "\${COMP_WORDS[1]}" in
${rest.map((line) => `  ${line}`).join("\n")}
    esac
    words="$options"
    if (( COMP_CWORD == 2 )); then
      words="$first $options"
    fi
  fi
  if [[ -n "$files" ]]; then
    compopt -o filenames 2>/dev/null
    COMPREPLY=( $(compgen -f -- "$current") )
    return
  fi
  COMPREPLY=( $(compgen -W "$words" -- "$current") )
}
complete -F _fairlead fairlead
`;
}

/** Text inside single quotes of a shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function zshScript(commands: readonly CommandSpec[]): string {
  const described = commands.map(({ name, about }) => `    ${quoted(`${name}:${about}`)}`);
  // Brackets and colons have a meaning inside a specification of _arguments.
  const plain = (text: string): string => text.replaceAll(/[[\]:\\]/g, (found) => `\\${found}`);
  const cases = commands.map((command) => {
    const specs = optionsOf(command).map(([name, { value, about, repeat, oneOf, complete }]) => {
      const action = complete === "file" ? "_files" : oneOf === undefined ? "" : `(${oneOf.join(" ")})`;
      const taken = value === undefined ? "" : `:${value}:${action}`;
      return quoted(`${repeat ? "*" : ""}--${name}${value === undefined ? "" : "="}[${plain(about)}]${taken}`);
    });
    if (command.words !== undefined) {
      specs.push(quoted(`1:argument:(${command.words.join(" ")})`));
    }
    return `    ${command.name})\n      _arguments ${specs.join(" \\\n        ")} ;;`;
  });
  return `#compdef fairlead
# Completion of fairlead for zsh: source <(fairlead completion zsh), or write it to _fairlead in a folder of $fpath
_fairlead() {
  local -a commands
  commands=(
${described.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  shift words
  (( CURRENT-- ))
  case "$words[1]" in
${cases.join("\n")}
  esac
}
if [[ "$funcstack[1]" == _fairlead ]]; then
  _fairlead "$@"
else
  compdef _fairlead fairlead
fi
`;
}

function fishScript(commands: readonly CommandSpec[]): string {
  const lines = commands.flatMap((command) => {
    const when = `-n '__fish_seen_subcommand_from ${command.name}'`;
    const words =
      command.words === undefined ? [] : [`complete -c fairlead ${when} -a ${quoted(command.words.join(" "))}`];
    const options = optionsOf(command).map(([name, { value, about, oneOf, complete }]) => {
      const file = complete === "file" ? " -r -F" : value === undefined ? "" : " -x";
      const list = oneOf === undefined ? "" : ` -a ${quoted(oneOf.join(" "))}`;
      return `complete -c fairlead ${when} -l ${name}${file}${list} -d ${quoted(about)}`;
    });
    return [
      `complete -c fairlead -n __fish_use_subcommand -a ${command.name} -d ${quoted(command.about)}`,
      ...words,
      ...options,
    ];
  });
  return `# Completion of fairlead for fish: fairlead completion fish | source
complete -c fairlead -f
${lines.join("\n")}
`;
}
