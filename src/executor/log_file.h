// A workload's output, kept in pieces: bounded in size, readable while it grows and after its writer is gone.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "executor/executor.h"
#include "host/fd.h"

namespace millrace::executor {

/// Files FOLDER/log.<offset of its first byte, 20 digits>; the last kPieces are kept. One writer, one thread.
class LogWriter {
 public:
  static constexpr std::int64_t kPieces = 8;
  static constexpr std::int64_t kPieceBytes = 2 << 20;

  /// Goes on after what an earlier writer left.
  static Result<LogWriter> open(const std::string& folder, std::int64_t piece_bytes = kPieceBytes);
  Result<void> append(std::string_view bytes);
  bool ends_with_newline() const { return newline_; }

 private:
  LogWriter(std::string folder, std::int64_t piece_bytes)
      : folder_(std::move(folder)), piece_bytes_(piece_bytes) {}
  Result<void> begin_piece();

  std::string folder_;
  std::int64_t piece_bytes_;
  host::Fd file_;
  std::int64_t begin_ = 0;  // offset of the first byte of file_
  std::int64_t end_ = 0;    // offset after the last byte
  bool newline_ = true;     // the last byte written was one, or none was
};

/// Makes `folder` a log that holds `text` alone and is written no more. Durable on return.
Result<void> write_log(const std::string& folder, std::string_view text);

/// As Executor::log. An absent log is an empty piece. Any process, any thread.
Result<LogPiece> read_log(const std::string& folder, std::int64_t from, std::size_t max);

}  // namespace millrace::executor
