#include "apps/twin_commands.h"

#include <CLI/CLI.hpp>

namespace millrace::apps {

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
