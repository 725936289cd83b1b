#pragma once

#include <boost/container/flat_map.hpp>

namespace sv {

// A sorted vector with the interface of std::map: one allocation for the entries of a page, and
// searches that stay in the cache. An insertion moves what is behind it, and every reference.
template <class K, class V>
using FlatMap = boost::container::flat_map<K, V>;

}  // namespace sv
