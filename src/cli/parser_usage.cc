// What is wrong with a line, and what would be right.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cli/parser_line.h"

namespace millrace::cli {
namespace {

/// The option that a word names, without the value it may carry: "--name=x", "-eA=b".
std::string option_of(const std::string& word) {
  return word.starts_with("--") ? word.substr(0, word.find('=')) : word.substr(0, 2);
}

/// The first word that looks like an option and is none of these commands; empty if there is none. What comes after "--" is
/// no option, and neither is the value of one.
std::string unknown_option(const std::vector<const CLI::App*>& commands,
                           const std::vector<std::string>& words) {
  for (std::size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
    if (words[i].size() < 2 || words[i].front() != '-') continue;
    const std::string name = option_of(words[i]);
    const CLI::Option* known = nullptr;
    for (const auto* command : commands) {
      if (known == nullptr) known = command->get_option_no_throw(name);
    }
    if (known == nullptr) return name;
    if (known->get_items_expected_min() > 0 && name == words[i]) ++i;
  }
  return "";
}

/// "create, list" of a command that needs one of them.
std::string what_there_is(const CLI::App& group, const std::string& path) {
  std::vector<std::string> names;
  for (const auto* sub : group.get_subcommands([](const CLI::App* sub) { return !sub->get_group().empty(); }))
    names.push_back(sub->get_name());
  const auto rest = group.remaining();
  const bool unknown = !rest.empty() && !rest.front().starts_with('-');
  return fmt::format(
      "{}; there is: {}",
      unknown ? fmt::format("there is no command '{} {}'", path, rest.front()) : path + " does what?",
      fmt::join(names, ", "));
}

}  // namespace

int report_usage(const CLI::App& app, const CLI::ParseError& error, const std::vector<std::string>& words) {
  std::vector<const CLI::App*> meant = {&app};
  std::string path = "millrace";
  while (!meant.back()->get_subcommands().empty()) {
    meant.push_back(meant.back()->get_subcommands().front());
    path += " " + meant.back()->get_name();
  }
  std::string what = error.what();
  const bool is_group = meant.back()->get_require_subcommand_min() > 0;
  const auto code = static_cast<CLI::ExitCodes>(error.get_exit_code());
  if (is_group) {
    what = what_there_is(*meant.back(), path);
  } else if (code == CLI::ExitCodes::ExtrasError || code == CLI::ExitCodes::RequiredError) {
    if (const auto option = unknown_option(meant, words); !option.empty())
      what = fmt::format("{} has no option '{}'", path, option);
  }
  if (path == "millrace run") what += fmt::format("; the form is: {}", kRunForm);
  fmt::print(stderr, "millrace: {}; see: {} --help\n", what, path);
  return kUsage;
}

}  // namespace millrace::cli
