// EngineInstall: where the llama-server is that replicas run.
#pragma once

#include <string>

#include "core/result.h"

namespace millrace::serving {

struct EngineInstall {
  std::string root;     // root file system of the sandbox; "/" is the host's own
  std::string program;  // path inside that root
  std::string prefix;   // host folder that must be visible besides, read-only; empty: none
  bool operator==(const EngineInstall&) const = default;
};

/// Settings as in the configuration: engine.root (a folder made by images/engine/build.sh), engine.path (a
/// llama-server on the host, a path or a name on PATH); path wins. With neither: the root that tools/prepare.sh left
/// in `cache` ("" for $MILLRACE_CACHE or ~/.cache/millrace), then llama-server on PATH. kNotFound says what to do.
Result<EngineInstall> find_engine(const std::string& root, const std::string& path,
                                  const std::string& cache = {});

}  // namespace millrace::serving
