//! Sections of memory and their views: what is written through one view is read through
//! the others, but for private copies.

use crate::blocks::{at, below};
use crate::turn;
use arbitrary::Unstructured;
use ntheap::win32::*;
use std::ptr::{null, null_mut};

const UNIT: usize = 0x1_0000;
/// Bytes of which the model knows one each.
const STEP: usize = 0x1000;
/// Operations of one input at most.
const MAX_OPERATIONS: usize = 200;
const MAX_SECTIONS: usize = 4;
const MAX_VIEWS: usize = 12;

/// How a view is mapped.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Access {
    Read,
    Write,
    Copy,
}

struct Section {
    /// `None` once it is closed; views keep it.
    handle: Option<HANDLE>,
    /// Bytes, in whole steps.
    size: usize,
    bytes: Vec<u8>,
}

struct View {
    base: usize,
    section: usize,
    access: Access,
    /// The first step of the section, and how many.
    first: usize,
    count: usize,
    /// Bytes that were written to pages of this view's own.
    own: Vec<Option<u8>>,
}

#[derive(Default)]
struct Model {
    sections: Vec<Section>,
    views: Vec<View>,
}

/// A view's byte of a step.
fn place(view: &View, step: usize) -> *mut u8 {
    at(view.base + step * STEP)
}

impl Model {
    fn create(&mut self, input: &mut Unstructured<'_>) {
        if self.sections.len() == MAX_SECTIONS {
            return;
        }
        let steps = 1 + below(input, 100);
        // Not whole pages, at times.
        let size = steps * STEP - below(input, 2) * below(input, STEP);
        // SAFETY: no name and no attributes.
        let handle = unsafe {
            let file = INVALID_HANDLE_VALUE;
            CreateFileMappingW(file, null_mut(), PAGE_READWRITE, 0, size as DWORD, null())
        };
        assert!(!handle.is_null());
        self.sections.push(Section {
            handle: Some(handle),
            size: steps * STEP,
            bytes: vec![0; steps],
        });
    }

    fn map(&mut self, input: &mut Unstructured<'_>) {
        let nth = below(input, self.sections.len().max(1));
        let Some(section) = self.sections.get(nth) else {
            return;
        };
        let Some(handle) = section.handle else {
            return;
        };
        let access = [Access::Read, Access::Write, Access::Write, Access::Copy][below(input, 4)];
        let wanted = match access {
            Access::Read => FILE_MAP_READ,
            Access::Write => FILE_MAP_WRITE,
            Access::Copy => FILE_MAP_COPY,
        };
        // An offset between two units is none.
        let is_wrong = below(input, 16) == 0;
        let units = section.size.div_ceil(UNIT);
        let offset = below(input, units + 1) * UNIT + usize::from(is_wrong) * STEP;
        let rest = section.size.saturating_sub(offset);
        let size = match below(input, 3) {
            0 => 0,
            _ => STEP * (1 + below(input, rest / STEP + 2)),
        };
        if self.views.len() == MAX_VIEWS {
            return;
        }
        // SAFETY: the model's section.
        let base = unsafe { MapViewOfFile(handle, wanted, 0, offset as DWORD, size) };
        let fits = !is_wrong && offset < section.size && size <= rest;
        assert_eq!(
            !base.is_null(),
            fits,
            "{offset:#x}+{size:#x} of {:#x}",
            section.size
        );
        if !fits {
            return;
        }
        let count = if size == 0 { rest } else { size } / STEP;
        self.views.push(View {
            base: base.expose_provenance(),
            section: nth,
            access,
            first: offset / STEP,
            count,
            own: vec![None; count],
        });
    }

    fn write(&mut self, input: &mut Unstructured<'_>) {
        let nth = below(input, self.views.len().max(1));
        let (step, value) = (below(input, 128), 1 + below(input, 255) as u8);
        let Some(view) = self.views.get_mut(nth) else {
            return;
        };
        if step >= view.count || view.access == Access::Read {
            return;
        }
        // SAFETY: a page of a view that can be written to.
        unsafe { place(view, step).write(value) };
        if view.access == Access::Copy {
            view.own[step] = Some(value);
        } else {
            self.sections[view.section].bytes[view.first + step] = value;
        }
    }

    fn check(&self) {
        for view in &self.views {
            for (step, own) in view.own.iter().enumerate() {
                let shared = self.sections[view.section].bytes[view.first + step];
                // SAFETY: a page of a view, each of which can be read.
                let found = unsafe { place(view, step).read() };
                assert_eq!(
                    found,
                    own.unwrap_or(shared),
                    "step {step}, {:?}",
                    view.access
                );
            }
        }
    }

    fn unmap(&mut self, nth: usize) {
        let view = self.views.swap_remove(nth);
        let base = at(view.base).cast();
        // SAFETY: the model uses the view no more; then it is none.
        unsafe {
            assert_eq!(UnmapViewOfFile(base), TRUE);
            assert_eq!(UnmapViewOfFile(base), FALSE);
        }
    }

    fn close(&mut self, nth: usize) {
        if let Some(handle) = self.sections[nth].handle.take() {
            // SAFETY: the model's handle, used no more; then it is none.
            unsafe {
                assert_eq!(CloseHandle(handle), TRUE);
                assert_eq!(CloseHandle(handle), FALSE);
            }
        }
    }
}

/// Performs the operations that `data` encodes and checks the answers.
///
/// # Panics
/// Whenever an answer is wrong.
pub fn run(data: &[u8]) {
    let _turn = turn();
    let before = ntheap::vm::account().get(ntheap::vm::Use::Program);
    let mut input = Unstructured::new(data);
    let input = &mut input;
    let mut model = Model::default();
    model.create(input);
    for _ in 0..MAX_OPERATIONS {
        if input.is_empty() {
            break;
        }
        match below(input, 16) {
            0 => model.create(input),
            1..=4 => model.map(input),
            5 => {
                if !model.views.is_empty() {
                    model.unmap(below(input, model.views.len()));
                }
            }
            // Its views go on.
            6 if below(input, 4) == 0 => model.close(below(input, model.sections.len())),
            7 => model.check(),
            _ => model.write(input),
        }
    }
    model.check();
    while !model.views.is_empty() {
        model.unmap(0);
    }
    for nth in 0..model.sections.len() {
        model.close(nth);
    }
    assert_eq!(ntheap::vm::account().get(ntheap::vm::Use::Program), before);
}
