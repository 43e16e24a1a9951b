// The commands of `millrace twin`: each adds its options to the command line and runs a function of module twin.
#pragma once

#include "cli/cli.h"

namespace millrace::apps {

/// Adds every command to `twin`; the one that the user gave sets `chosen`.
void add_twin_commands(CLI::App& twin, cli::Chosen& chosen);

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
