// The commands of `millrace image`: root file systems that jobs and environments run in, in this machine's cache.
#pragma once

#include "cli/cli.h"

namespace millrace::apps {

/// Adds every command to `image`; the one that the user gave sets `chosen`.
void add_image_commands(CLI::App& image, cli::Chosen& chosen);

}  // namespace millrace::apps
