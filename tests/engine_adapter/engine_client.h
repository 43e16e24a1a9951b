// A blocking HTTP client for one engine's unix socket: just what the conformance suite needs.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "core/result.h"

namespace millrace::conformance {

struct Answer {
  int status = 0;
  std::string content_type;
  std::string body;  // empty if a callback took it
};

/// Takes the next piece of a body; false closes the connection at once, which cancels the engine's work.
using OnPiece = std::function<bool(const Answer& head, std::string_view piece)>;

/// POST if `body` is not empty, else GET. Without a callback the body is collected.
Result<Answer> call(const std::string& socket_path, const std::string& path, const std::string& body,
                    const OnPiece& on_piece = {});

}  // namespace millrace::conformance
