// Inputs and outputs of HTTP routes that have no counterpart among the services' methods.
namespace cpp sv.http
