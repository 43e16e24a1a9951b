#include "apps/twin_commands.h"

#include <CLI/CLI.hpp>

namespace millrace::apps {

void add_twin_commands(CLI::App& twin, cli::Chosen& chosen) {
  twin.require_subcommand(1);
  add_twin_openb(twin, chosen);
}

}  // namespace millrace::apps
