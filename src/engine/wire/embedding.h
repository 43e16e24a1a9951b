// One embedding out of an answer: an array of numbers, or base64 of little-endian 32-bit floats.
#pragma once

#include <boost/json.hpp>
#include <vector>

#include "core/result.h"

namespace millrace::engine::wire {

/// kCorrupt if it is neither, empty, or holds a value that is not finite.
Result<std::vector<float>> read_embedding(const boost::json::value& value);

}  // namespace millrace::engine::wire
