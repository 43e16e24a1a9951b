#include <string_view>

#include "apps/image_commands.h"
#include "apps/roles.h"
#include "apps/twin_commands.h"
#include "apps/version.h"
#include "cli/cli.h"
#include "executor/supervise.h"

int main(int argc, char** argv) {
  // Started once for each workload, which should not wait until every command has been described.
  if (argc == 3 && std::string_view(argv[1]) == "supervise")
    return millrace::executor::supervise_main(argv[2]);
  millrace::cli::Roles roles;
  roles.up = millrace::apps::run_up;
  roles.down = millrace::apps::run_down;
  roles.watch = millrace::apps::run_watch;
  roles.server = millrace::apps::run_server;
  roles.gateway = millrace::apps::run_gateway;
  roles.supervise = [](const std::string& folder) { return millrace::executor::supervise_main(folder); };
  roles.config_check = millrace::apps::check_config;
  roles.add_image = millrace::apps::add_image_commands;
  roles.add_twin = millrace::apps::add_twin_commands;
  roles.version = millrace::apps::kVersion;
  return millrace::cli::run(argc, argv, roles);
}
