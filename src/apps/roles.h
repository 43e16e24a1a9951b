// Roles: what each process of Millrace does; every function returns the program's exit code.
#pragma once

#include <string>

#include "cli/cli.h"

namespace millrace::apps {

/// Opens the store, runs control and the control API, drains the journals. SIGTERM: ends, replicas go on.
/// SIGINT: ends with them.
int run_server(const std::string& home);

/// The public listener. SIGTERM and SIGINT: finishes what is in work (10 s at most). SIGHUP: reads the certificate again.
int run_gateway(const std::string& home);

/// Keeps server and gateway running, with back-off, and reaps orphans. SIGTERM and SIGINT: stops everything.
int run_watch(const std::string& home);

/// Starts what is missing, waits until it answers, makes the default model and endpoints, asks a first question.
int run_up(const cli::UpOptions& options);

/// Stops everything of this home, also what a killed watcher left.
int run_down(const std::string& home);

int check_config(const std::string& home, bool as_json);

}  // namespace millrace::apps
