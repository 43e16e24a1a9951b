#include "gateway/dialect/dialect.h"

namespace millrace::gateway::dialect {

std::vector<std::unique_ptr<Dialect>> make_dialects() {
  std::vector<std::unique_ptr<Dialect>> all;
  all.push_back(make_chat());
  all.push_back(make_completions());
  all.push_back(make_embeddings());
  all.push_back(make_responses());
  all.push_back(make_messages());
  return all;
}

}  // namespace millrace::gateway::dialect
