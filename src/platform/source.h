// Sources: where a model may be imported from, read and checked.
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"

namespace millrace::platform {

struct ModelSource {
  enum class Kind { kFile, kPypi, kHttps } kind = Kind::kFile;
  std::string value;    // absolute path, package name, or whole URL
  std::string version;  // kPypi only; empty: the newest
};

/// kInvalidArgument unless `text` is an absolute path, "pypi:NAME[==VERSION]" (names as in PEP 508, versions of
/// [A-Za-z0-9.+!_-]) or an https URL of printable ASCII without user or password.
Result<ModelSource> parse_source(std::string_view text);

/// The name an import gets when none is given: the file's, package's or URL's last part in lower case, without
/// ".gguf", each other character than [a-z0-9.-] made '-'.
Result<std::string> derive_model_name(std::string_view source);

}  // namespace millrace::platform
