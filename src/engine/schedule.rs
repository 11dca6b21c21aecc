//! The learning rate as a pure function of the step: nothing to save, exact on resume.
