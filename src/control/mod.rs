//! The local socket through which the command line speaks with the running gateway.
