// The [[node]] tables of a configuration. Private to the module.
#pragma once

#include <string>
#include <vector>

#include "core/result.h"
#include "host/config.h"
#include "host/toml_library.h"

namespace millrace::host {

/// kInvalidArgument naming file, line and key: unknown, of a wrong type or out of range, or a name that two nodes have.
Result<std::vector<NodeConfig>> read_nodes(const toml::array& tables, const std::string& file);

}  // namespace millrace::host
