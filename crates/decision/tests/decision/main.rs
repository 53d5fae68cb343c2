//! The gate: guards, modes, approvals and policy as one table; plans as a snapshot; what a journal authorises.

mod approvers;
mod ask;
mod autonomy;
mod gate;
mod guards;
mod plans;
mod policy;
mod resumption;
