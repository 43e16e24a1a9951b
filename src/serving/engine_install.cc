#include "serving/engine_install.h"

#include <fmt/format.h>
#include <stdlib.h>
#include <unistd.h>

#include <climits>

#include "host/file.h"
#include "host/paths.h"

namespace millrace::serving {
namespace {

constexpr const char* kProgram = "llama-server";

std::string real_path(const std::string& path) {
  char buffer[PATH_MAX];
  return ::realpath(path.c_str(), buffer) == nullptr ? std::string() : std::string(buffer);
}

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

// What is seen inside is the folder that holds the program itself, not one with a link to it.
EngineInstall on_host(const std::string& found) {
  const std::string program = real_path(found);
  EngineInstall install{.root = "/", .program = program, .prefix = {}};
  if (program.starts_with("/usr/")) return install;
  // Libraries usually lie beside bin/; a program in a folder of another name brings that folder alone.
  const std::string folder = parent_of(program);
  const bool in_bin = folder.ends_with("/bin") && parent_of(folder).size() > 1;
  install.prefix = in_bin ? parent_of(folder) : folder;
  return install;
}

Result<EngineInstall> in_root(const std::string& root) {
  const std::string real = real_path(root);
  if (real.empty() || ::access((real + "/usr/bin/" + kProgram).c_str(), X_OK) != 0)
    return failure(ErrorCode::kNotFound, "looked for usr/bin/llama-server in the engine root " + root +
                                             ", found none: run tools/prepare.sh, or correct engine.root");
  return EngineInstall{.root = real, .program = kProgram, .prefix = {}};
}

}  // namespace

Result<EngineInstall> find_engine(const std::string& root, const std::string& path,
                                  const std::string& cache) {
  if (!path.empty()) {
    const std::string program = host::find_program(path);
    if (program.empty())
      return failure(ErrorCode::kNotFound,
                     "looked for the engine " + path + " (engine.path), found no such program");
    return on_host(program);
  }
  if (!root.empty()) return in_root(root);
  const std::string folder = host::cache_dir(cache).value_or("");
  if (auto prepared = in_root(folder + "/engine/current")) return prepared;
  if (const auto names = host::list_dir(folder + "/engine")) {
    for (const std::string& name : *names) {
      const std::string program = fmt::format("{}/engine/{}/bin/{}", folder, name, kProgram);
      if (name.starts_with("xllamacpp-") && ::access(program.c_str(), X_OK) == 0) return on_host(program);
    }
  }
  if (const std::string program = host::find_program(kProgram); !program.empty()) return on_host(program);
  return failure(
      ErrorCode::kNotFound,
      "looked for an engine in " + folder +
          "/engine and for llama-server on PATH, found none: run tools/prepare.sh, or set engine.path");
}

}  // namespace millrace::serving
