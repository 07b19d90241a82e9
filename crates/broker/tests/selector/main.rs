//! Selectors from outside: what the texts mean, what they cost, what they are indexed by.

mod allocation;
mod cache;
mod generate;
mod guide;
mod index;
mod limits;
mod message;
mod print;
mod properties;
mod reference;
mod vectors;
