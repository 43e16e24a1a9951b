#include "store/rules.h"

#include <fmt/format.h>

namespace millrace::store {

Result<void> check_fence(std::int64_t held, std::int64_t last_taken) {
  if (held == last_taken) return {};
  return failure(ErrorCode::kDenied,
                 fmt::format("commit: this server holds fence {}, but {} was taken since: another "
                             "server leads",
                             held, last_taken));
}

Result<void> check_expectation(const Transaction::Expect& expect, Revision found) {
  if (found == expect.revision) return {};
  return failure(ErrorCode::kConflict, fmt::format("commit: '{}' is at revision {}, expected {} (0: absent)",
                                                   expect.key, found, expect.revision));
}

std::unexpected<Error> no_such_record(std::string_view key) {
  return failure(ErrorCode::kNotFound, fmt::format("there is no record '{}'", key));
}

}  // namespace millrace::store
