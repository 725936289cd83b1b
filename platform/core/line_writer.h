#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace sv {

// Writes lines to a file in batches: when 64 KiB wait, or 100 ms after the first of them came. Who
// finds 8 MiB waiting waits for the disk; none is dropped unless the file takes no more at all,
// which is told on standard error. Thread-safe.
class LineWriter {
 public:
  explicit LineWriter(int fd);  // closed at the end, unless it is standard error
  ~LineWriter();                // writes what waits
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  // `line` without its newline. soon: at once, with all before it.
  void add(std::string_view line, bool soon);

 private:
  void run();

  const int fd_;
  std::mutex mutex_;
  std::condition_variable work_, room_;
  std::string waiting_;
  bool soon_ = false, stop_ = false;
  std::thread thread_;
};

}  // namespace sv
