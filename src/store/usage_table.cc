#include "store/usage_table.h"

namespace millrace::store {

std::string_view name_of(UsageStatus status) {
  switch (status) {
    case UsageStatus::kCompleted:
      return "completed";
    case UsageStatus::kCancelled:
      return "cancelled";
    case UsageStatus::kFailed:
      return "failed";
  }
  return "failed";
}

}  // namespace millrace::store
