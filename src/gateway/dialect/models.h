// Bodies of GET /v1/models and GET /v1/models/{id}, in the shape of OpenAI (with what mistralai's SDK needs) and of
// Anthropic (asked for by the header `anthropic-version`).
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "gateway/dialect/dialect.h"

namespace millrace::gateway::dialect {

/// An endpoint that the caller may use.
struct ModelItem {
  std::string name;
  std::int64_t created_s = 0;       // Unix time
  std::int64_t context_tokens = 0;  // 0: unknown
  bool embeds = false;
};

/// {"object":"list","data":[...]}, in the order given.
std::string render_models_openai(std::span<const ModelItem> models);
std::string render_model_openai(const ModelItem& model);

/// One page of Anthropic's list. `query` is the target's raw query string with limit (1 to 1000, default 20), after_id and
/// before_id; others are ignored, as are ids that name no model (an empty page). 400 on a bad limit.
std::expected<std::string, ApiError> render_models_anthropic(std::span<const ModelItem> models,
                                                             std::string_view query);
std::string render_model_anthropic(const ModelItem& model);

}  // namespace millrace::gateway::dialect
