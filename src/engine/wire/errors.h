// What an engine's refusal or failure becomes in the terms of the OpenAI API.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/adapter.h"

namespace millrace::engine::wire {

/// The words of a refusal that every engine gives in some shape.
struct PeerError {
  int status = 0;  // HTTP status, or the one the error itself states
  std::string type;
  std::string code;  // text codes only
  std::string param;
  std::string message;  // at most 1000 bytes, UTF-8
};

/// Reads {"error":{...}}, {"error":"..."}, {"message":...}, {"detail":...}, or any other text.
PeerError read_peer_error(int status, std::string_view body);
/// As above, of an object already parsed; `error` is the object or the text itself.
PeerError read_peer_error(int status, const boost::json::value& error);

/// `wanted` and `limit` are in tokens; 0 if not known.
EngineError context_exceeded(Task task, std::int64_t wanted, std::int64_t limit);

/// The field that holds the prompt: "messages", "prompt" or "input".
std::string_view prompt_field(Task task);

/// What holds for every engine: refusals of the request stay 400 with the engine's words; overload stays 429 or 503;
/// a refused key and everything else is 502 without the engine's words, which may name the key.
EngineError map_error(const PeerError& peer, Task task);

}  // namespace millrace::engine::wire
