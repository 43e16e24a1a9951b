// Log probabilities in the two shapes of the OpenAI API, out of either shape that engines send.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <string>

namespace millrace::engine::wire {

/// {"content":[{token, logprob, bytes, top_logprobs}]} with at most `top` alternatives; "" if there are none.
std::string chat_logprobs(const boost::json::object& logprobs, std::int64_t top);

/// {"tokens", "token_logprobs", "top_logprobs", "text_offset"}; `offset` is where the first token starts, in
/// characters. "" if there are none.
std::string text_logprobs(const boost::json::object& logprobs, std::int64_t top, std::int64_t offset);

}  // namespace millrace::engine::wire
