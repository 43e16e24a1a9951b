// Completion scripts for shells, generated from the commands themselves.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace millrace::cli {

/// Prints the script for "bash", "zsh" or "fish".
int print_completion(const CLI::App& app, const std::string& shell);

}  // namespace millrace::cli
