// The commands of `millrace twin`: each adds its options to the command line and runs a function of module twin.
#pragma once

#include <cstdint>
#include <string>

#include "cli/cli.h"

namespace CLI {
class Option;
}

namespace millrace::apps {

/// Adds every command to `twin`; the one that the user gave sets `chosen`.
void add_twin_commands(CLI::App& twin, cli::Chosen& chosen);

/// Adds `--seed`: a whole number from 0 to 2^64 - 1. Other texts are refused, where the parser would wrap or cut them.
void add_seed(CLI::App& command, std::uint64_t& seed, const std::string& meaning);
/// The option's value is from `least` to `most`; what is no number is refused too (CLI::Range lets it pass).
void check_range(CLI::Option& option, double least, double most);

/// One of them each (wire_twin_<name>.cc).
void add_twin_accelerators(CLI::App& twin, cli::Chosen& chosen);
void add_twin_queues(CLI::App& twin, cli::Chosen& chosen);
void add_twin_carbon(CLI::App& twin, cli::Chosen& chosen);
void add_twin_compare(CLI::App& twin, cli::Chosen& chosen);
void add_twin_generate(CLI::App& twin, cli::Chosen& chosen);
void add_twin_openb(CLI::App& twin, cli::Chosen& chosen);
void add_twin_pass(CLI::App& twin, cli::Chosen& chosen);
void add_twin_routing(CLI::App& twin, cli::Chosen& chosen);
void add_twin_run(CLI::App& twin, cli::Chosen& chosen);

}  // namespace millrace::apps
