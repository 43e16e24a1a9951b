// The version of this program.
#pragma once

namespace millrace::apps {

inline constexpr const char* kVersion = "0.1.0";

}  // namespace millrace::apps
