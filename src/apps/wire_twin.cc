#include "apps/twin_commands.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>

namespace millrace::apps {

void add_seed(CLI::App& command, std::uint64_t& seed, const std::string& meaning) {
  const auto fault_of = [](const std::string& text) -> std::string {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc{} && end == text.data() + text.size()) return "";
    return "'" + text + "' is no whole number from 0 to 18446744073709551615";
  };
  command.add_option("--seed", seed, meaning)
      ->check(CLI::Validator(fault_of, "UINT", "seed"))
      ->capture_default_str();
}

void check_range(CLI::Option& option, double least, double most) {
  const auto fault_of = [=](const std::string& text) -> std::string {
    double value = 0;
    const char* const text_end = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), text_end, value);
    if (error == std::errc{} && end == text_end && value >= least && value <= most) return "";
    return fmt::format("'{}' is no number from {} to {}", text, least, most);
  };
  option.check(CLI::Validator(fault_of, fmt::format("FLOAT from {} to {}", least, most), "range"));
}

void add_twin_commands(CLI::App& twin, cli::Chosen& chosen) {
  twin.require_subcommand(1);
  add_twin_run(twin, chosen);
  add_twin_pass(twin, chosen);
  add_twin_openb(twin, chosen);
  add_twin_queues(twin, chosen);
  add_twin_routing(twin, chosen);
  add_twin_carbon(twin, chosen);
  add_twin_accelerators(twin, chosen);
  add_twin_generate(twin, chosen);
  add_twin_compare(twin, chosen);
}

}  // namespace millrace::apps
