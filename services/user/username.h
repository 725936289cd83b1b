#pragma once

#include <string>
#include <string_view>

#include "platform/core/error.h"

namespace sv::user {

constexpr int kMaxUsernameCharacters = 32;

// The key by which a username is unique: NFKC case fold (UTS #46's mapping without its validity
// rules), so "Ａlice", "alice" and "ALICE" are one name. Refuses, naming the field "username": not
// UTF-8, 0 or more than 32 characters, blank at either end, control, bidi, zero-width and other
// invisible, private-use or unassigned characters.
Result<std::string> username_key(std::string_view username);

}  // namespace sv::user
