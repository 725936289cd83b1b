#pragma once

#include <boost/container/flat_map.hpp>
#include <boost/container/flat_set.hpp>

namespace sv {

// A sorted vector with the interface of std::map: one allocation for the entries of a page, and
// searches that stay in the cache. An insertion moves what is behind it, and every reference.
template <class K, class V>
using FlatMap = boost::container::flat_map<K, V>;
template <class K>
using FlatSet = boost::container::flat_set<K>;

}  // namespace sv
