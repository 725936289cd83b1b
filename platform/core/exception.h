#pragma once

#include <exception>
#include <utility>

#include "platform/core/error.h"

namespace sv {

// An error where only an exception can be given.
class ErrorException final : public std::exception {
 public:
  explicit ErrorException(Error error) : error_(std::move(error)) {}
  const char* what() const noexcept override {
    return (error_.detail.empty() ? error_.token : error_.detail).c_str();
  }
  const Error& error() const { return error_; }

 private:
  Error error_;
};

// What an exception tells: a ErrorException's error; else storage_full when it carries a full disk
// or quota, else internal.
Error error_of(const std::exception& e);

}  // namespace sv
