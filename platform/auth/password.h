#pragma once

#include <string>
#include <string_view>

#include "platform/core/error.h"

// bcrypt by libxcrypt. Hashing takes tens of milliseconds by design: call hash_password and
// verify_password through a bounded ThreadPool, never on an I/O thread. All functions are
// thread-safe.
namespace sv::auth {

constexpr std::size_t kMinPasswordBytes = 8;
constexpr std::size_t kMaxPasswordBytes = 72;  // bcrypt ignores what follows, silently
constexpr int kMinBcryptCost = 4;
constexpr int kMaxBcryptCost = 16;

// May this become a password? 8–72 bytes, no NUL, valid UTF-8, not one of the most common ones; no
// composition rules.
// The error names `field`.
Result<> check_new_password(std::string_view field, std::string_view password);

// "$2b$<cost>$…". Throws std::runtime_error when the cost is out of range or libxcrypt refuses.
std::string hash_password(const std::string& password, int cost);

// False for a wrong password, for one that could not have been set (NUL, too long) and for a hash
// that is not bcrypt.
bool verify_password(const std::string& password, const std::string& hash);

// A well-formed hash that no password fits: verifying against it costs an unknown user's login as
// much as a known one's.
std::string dummy_hash(int cost);

}  // namespace sv::auth
