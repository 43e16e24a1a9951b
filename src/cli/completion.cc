#include "cli/completion.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "cli/cli.h"

namespace millrace::cli {
namespace {

/// "endpoint create" -> "--model --replicas ..."; "" -> the commands.
using Words = std::vector<std::pair<std::string, std::string>>;

void collect(const CLI::App& app, const std::string& path, Words& words) {
  std::string next;
  for (const auto* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (sub->get_group().empty()) continue;
    next += sub->get_name() + " ";
    collect(*sub, path.empty() ? sub->get_name() : path + " " + sub->get_name(), words);
  }
  for (const auto* option : app.get_options()) {
    for (const auto& name : option->get_lnames()) next += "--" + name + " ";
  }
  words.emplace_back(path, next);
}

std::string bash_body(const Words& words) {
  std::string cases;
  for (const auto& [path, next] : words) cases += fmt::format("    \"{}\") words=\"{}\" ;;\n", path, next);
  return fmt::format(R"(_millrace() {{
  local path="" word words=""
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "$word" in -*) ;; *) path="${{path:+$path }}$word" ;; esac
  done
  case "$path" in
{}  esac
  COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _millrace millrace
)",
                     cases);
}

std::string fish_body(const Words& words) {
  std::string out = "complete -c millrace -f\n";
  for (const auto& [path, next] : words) {
    const auto condition = path.empty()
                               ? std::string("__fish_use_subcommand")
                               : fmt::format("string match -q 'millrace {}*' (commandline -cp)", path);
    out += fmt::format("complete -c millrace -n \"{}\" -a '{}'\n", condition, next);
  }
  return out;
}

}  // namespace

int print_completion(const CLI::App& app, const std::string& shell) {
  Words words;
  collect(app, "", words);
  if (shell == "fish") {
    fmt::print("{}", fish_body(words));
  } else {
    if (shell == "zsh") fmt::print("autoload -U +X bashcompinit && bashcompinit\n");
    fmt::print("{}", bash_body(words));
  }
  return kOk;
}

}  // namespace millrace::cli
